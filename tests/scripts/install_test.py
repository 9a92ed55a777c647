"""scripts/install asks for missing packages only, and says what to do when it cannot install them."""
import os
import subprocess
import tempfile
import unittest

INSTALL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/install")
TOOLS = ("bash", "cut", "env", "grep", "mktemp", "rm", "sed", "tail")


class Install(unittest.TestCase):
    """Each test runs the script with a PATH of its own, where apt-get and dpkg-query are imitations."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="farthing-install-")
        self.addCleanup(folder.cleanup)
        self.bin = folder.name
        self.calls = os.path.join(folder.name, "calls")
        for tool in TOOLS:
            os.symlink(self.which(tool), os.path.join(self.bin, tool))
        self.imitate("id", "echo 0")
        self.imitate("apt-get", f'echo "$@" >> {self.calls}')
        self.installed(self.packages())

    def which(self, tool):
        return next(path for path in (f"{folder}/{tool}" for folder in os.get_exec_path()) if os.access(path, os.X_OK))

    def imitate(self, name, body):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!{self.which('bash')}\n{body}\n")
        os.chmod(path, 0o755)

    def installed(self, packages):
        """dpkg-query lists `packages`, and fails when one is missing, as the real one does."""
        self.imitate("dpkg-query", "\n".join(f"echo installed {name}" for name in packages) +
                     f"\nexit {0 if len(packages) == len(self.packages()) else 1}")

    def run_install(self, *arguments):
        done = subprocess.run([INSTALL, *arguments], env={"PATH": self.bin}, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout + done.stderr

    def packages(self):
        done = subprocess.run([INSTALL, "--list"], capture_output=True, text=True, check=True)
        return done.stdout.split()

    def apt_calls(self):
        if not os.path.exists(self.calls):
            return []
        with open(self.calls, encoding="utf-8") as file:
            return file.read().splitlines()

    def test_nothing_is_done_when_all_is_there(self):
        status, output = self.run_install()
        self.assertEqual(status, 0, output)
        self.assertEqual(self.apt_calls(), [])

    def test_only_missing_packages_are_installed(self):
        self.installed([name for name in self.packages() if name not in ("mold", "unzip")])
        status, output = self.run_install()
        self.assertEqual(status, 0, output)
        self.assertEqual(len(self.apt_calls()), 2)
        self.assertTrue(self.apt_calls()[1].endswith("install -y --no-install-recommends mold unzip"))

    def test_a_removed_package_counts_as_missing(self):
        self.imitate("dpkg-query", "\n".join(
            f"echo {'config-files' if name == 'mold' else 'installed'} {name}" for name in self.packages()))
        self.assertEqual(self.run_install()[0], 0)
        self.assertTrue(self.apt_calls()[1].endswith(" mold"))

    def test_a_recent_compiler_from_elsewhere_serves(self):
        self.installed([name for name in self.packages() if name != "g++"])
        self.imitate("g++", "echo 12")
        self.assertEqual(self.run_install()[0], 0)
        self.assertEqual(self.apt_calls(), [])
        self.imitate("g++", "echo 11")
        self.assertEqual(self.run_install()[0], 0)
        self.assertTrue(self.apt_calls()[1].endswith(" g++"))

    def test_a_failed_install_names_the_packages_and_the_remedy(self):
        self.installed([name for name in self.packages() if name != "mold"])
        self.imitate("apt-get", "echo E: no network; exit 100")
        status, output = self.run_install()
        self.assertEqual(status, 1)
        for text in ("E: no network", "could not install: mold", "check the network"):
            self.assertIn(text, output)

    def test_without_root_or_sudo_it_says_so(self):
        self.installed([name for name in self.packages() if name != "mold"])
        self.imitate("id", "echo 1000")
        status, output = self.run_install()
        self.assertEqual(status, 1)
        self.assertIn("as root, or install sudo", output)
        self.assertEqual(self.apt_calls(), [])

    def test_with_sudo_it_installs(self):
        self.installed([name for name in self.packages() if name != "mold"])
        self.imitate("id", "echo 1000")
        self.imitate("sudo", f'echo as root >> {self.calls}; exec "$@"')
        self.assertEqual(self.run_install()[0], 0)
        self.assertEqual(self.apt_calls()[2], "as root")
        self.assertTrue(self.apt_calls()[3].endswith(" mold"))

    def test_another_system_is_told_what_to_install(self):
        os.remove(os.path.join(self.bin, "dpkg-query"))
        status, output = self.run_install()
        self.assertEqual(status, 1)
        self.assertIn("not a Debian system", output)


if __name__ == "__main__":
    unittest.main()
