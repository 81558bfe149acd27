"""What the images of a task look like, and how many classes they have."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What a network has to know of the images: `height` x `width` pixels, so many `channels` and `classes`."""

    height: int
    width: int
    channels: int
    classes: int

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width
