from tests.reports.conftest import browser

__all__ = ["browser"]
