"""A receiver whose every request has to verify, by code that is not ours, at the moment it arrives."""

from __future__ import annotations

from types import TracebackType

from deploy.local.demo import receiver


class Receiver(receiver.Receiver):
    """Fails the test that leaves it when a request did not verify, or nobody looked whether it does."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, where)
        if kind is None:
            assert not self.refused, f"{len(self.refused)} requests do not verify: {self.refused[0]}"
            assert self.verify is not None or not self.requests, "requests came that nobody verified"
