"""Every script explains itself with --help, and refuses what it does not know with exit status 2."""
import os
import subprocess
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts")


def run(name, *arguments):
    return subprocess.run([os.path.join(SCRIPTS, name), *arguments], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


class Arguments(unittest.TestCase):
    def each_script(self):
        names = sorted(os.listdir(SCRIPTS))
        self.assertIn("build", names)
        for name in names:
            with self.subTest(name):
                yield name

    def test_help_gives_the_usage_and_an_example(self):
        for name in self.each_script():
            done = run(name, "--help")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"usage: scripts/{name}", done.stdout)
            self.assertIn("Example", done.stdout)

    def test_an_unknown_option_is_refused(self):
        for name in self.each_script():
            done = run(name, "--no-such-option")
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertIn("--no-such-option", done.stderr)
            self.assertIn("--help", done.stderr)

    def test_an_unknown_preset_is_refused_with_the_known_ones(self):
        done = run("build", "nonsense")
        self.assertEqual(done.returncode, 2, done.stdout)
        for text in ("nonsense", "release", "sanitize"):
            self.assertIn(text, done.stderr)

    def test_a_model_that_does_not_exist_is_refused_before_anything_is_built(self):
        done = run("demo", "no/such/model")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("no/such/model", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_an_unknown_peer_is_refused(self):
        done = run("peers", "nonsense")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("llama-cpp", done.stderr)


if __name__ == "__main__":
    unittest.main()
