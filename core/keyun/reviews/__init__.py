"""Reviews: one engine for every content type, from the submission to the decision.

What plugins use of it stands in :mod:`keyun.content`: ``release``, ``reject`` and ``ReviewCheck``.
"""

# Content opens reviews, and reviews judge content: whoever is asked for first, content is there before.
import keyun.content  # noqa: F401
