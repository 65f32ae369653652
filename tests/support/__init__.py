"""What tests share: checkers of answers, waiting, ports, packages of other SDKs."""
