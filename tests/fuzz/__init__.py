"""A coverage-guided fuzzer of the console parser (`make fuzz`), and its findings as files that a core test replays."""
