"""A process that votes, ADDRESS WRITER VOTES, and names the ballot of each vote once it is kept."""

from __future__ import annotations

import sys

from recsys.votes.store import Vote, VoteStore

FINGERPRINT = "f" * 64


def vote(writer: int, number: int) -> Vote:
    ballot = f"{writer:016x}{number:016x}"
    return Vote(ballot, FINGERPRINT, f"x{number}", "als", "word2vec", 10, "left", False, False, f"{writer:032x}")


def main() -> None:
    address, writer, votes = sys.argv[1:]
    store = VoteStore(address)
    for number in range(int(votes)):
        given = vote(int(writer), number)
        assert store.record(given)
        print(given.ballot, flush=True)


if __name__ == "__main__":
    main()
