"""The fast tests of training take schemes in turn; here they run over every scheme of the registry."""
import os
import subprocess
import unittest

PROGRAM = os.path.join(os.environ["FARTHING_BUILD_DIR"], "tests", "test_train_fast")


def shards(count):
    for index in range(count):
        environment = dict(os.environ, FARTHING_EVERY_SCHEME="1", GTEST_TOTAL_SHARDS=str(count),
                           GTEST_SHARD_INDEX=str(index))
        yield subprocess.Popen([PROGRAM, "--gtest_brief=1"], env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class EveryScheme(unittest.TestCase):
    def test_every_test_of_training_passes(self):
        running = list(shards(os.cpu_count() or 1))
        for process in running:
            output, _ = process.communicate()
            self.assertEqual(process.returncode, 0, output[-20000:])


if __name__ == "__main__":
    unittest.main()
