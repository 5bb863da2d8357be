"""The HTTP API of Label Studio, as far as `label_studio` uses it. Tested with version 1.23.2.

Both kinds of token are accepted: a legacy token, sent as it is; and a personal access token, a JWT, exchanged for
access tokens that are valid for five minutes. Error bodies have a key `id` too: the status decides.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import httpx

from assay.errors import AnnotatorError

TIMEOUT = httpx.Timeout(600, connect=10)
"""Seconds. The server answers an import when it has stored all of its tasks."""
PAGE = 1000
"""Tasks of a page without their annotations."""
FULL_PAGE = 100
"""Tasks of a page with them: larger pages take more time per task."""
ANSWERED = [
    {"filter": f"filter:tasks:{count}", "operator": "greater", "type": "Number", "value": 0}
    for count in ("total_annotations", "cancelled_annotations")
]
"""Filters of the tasks with an annotation, or with a skipped one."""
HINTS = {
    401: "the token is not valid: Account & Settings in Label Studio shows it",
    403: "the user of the token may not do this",
    413: "the server, or a proxy before it, limits the size of a request",
}
"""{status: what to do}."""
Task = dict[str, Any]
File = tuple[str, bytes, str]
"""Name, data, media type."""


class PersonalToken(httpx.Auth):
    """Authentication by a personal access token: a fresh access token for each expired one."""

    requires_response_body = True

    def __init__(self, token: str, url: str) -> None:
        self._refresh = httpx.Request("POST", f"{url}/api/token/refresh/", json={"refresh": token})
        self._access = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._access:
            response = yield self._signed(request)
            if response.status_code != 401:
                return
        answer = yield self._refresh
        if answer.status_code != 200:
            raise AnnotatorError(
                f"Label Studio refuses the personal token ({answer.status_code})", hint=HINTS[401]
            )
        self._access = str(answer.json()["access"])
        yield self._signed(request)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._access}"
        return request


def connect(url: str, token: str) -> httpx.Client:
    """A client of the server at `url`, for a legacy or a personal token."""
    url = url.rstrip("/")
    if token.count(".") == 2:
        return httpx.Client(base_url=url, auth=PersonalToken(token, url), timeout=TIMEOUT)
    return httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=TIMEOUT)


class Studio:
    """A Label Studio server. `client`: see `connect`. AnnotatorError if the server does not answer or refuses."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.url = str(client.base_url).rstrip("/")

    def _ask(self, method: str, path: str, **sent: Any) -> Any:
        try:
            response = self.client.request(method, path, **sent)
        except httpx.HTTPError as error:
            raise AnnotatorError(
                f"Label Studio at {self.url} does not answer: {error or type(error).__name__}",
                hint="start it, or correct `url` in select.annotator_options; then call again: what has arrived stays",
            ) from None
        if not response.is_success:
            raise AnnotatorError(
                f"Label Studio at {self.url} refuses {method} {path} ({response.status_code}): {_detail(response)}",
                hint=HINTS.get(response.status_code),
            )
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise AnnotatorError(
                f"{self.url} is no Label Studio server: its answer to {path} is no JSON",
                hint="correct `url` in select.annotator_options",
            ) from None

    # --- projects

    def projects(self, title: str) -> list[dict[str, Any]]:
        """The projects with this title: id, title, label_config, maximum_annotations."""
        fields = "id,title,label_config,maximum_annotations"
        asked = {"title": title, "include": fields, "page_size": 1000}
        found = self._ask("GET", "/api/projects", params=asked)["results"]
        return [project for project in found if project["title"] == title]

    def create(self, title: str, config: str, overlap: int = 1) -> dict[str, Any]:
        """A new project, whose tasks are shown in their order, each to `overlap` people."""
        settings = {
            "title": title,
            "label_config": config,
            "maximum_annotations": overlap,
            "sampling": "Sequential sampling",
        }
        return self._ask("POST", "/api/projects", json=settings)  # type: ignore[no-any-return]

    def configure(self, project: int, **settings: str | int) -> None:
        """Change settings of a project, such as `label_config`."""
        self._ask("PATCH", f"/api/projects/{project}/", json=settings)

    def users(self) -> dict[int, str]:
        """{id: email} of the users."""
        return {user["id"]: user["email"] for user in self._ask("GET", "/api/users")}

    # --- tasks

    def batch(self, project: int, name: str, page: int = 1, size: int = PAGE) -> tuple[int, list[Task]]:
        """The number of tasks whose data names the batch, and a page of them, without annotations."""
        of_batch = {
            "filter": "filter:tasks:data.assay_batch",
            "operator": "equal",
            "type": "String",
            "value": name,
        }
        found = self._tasks(project, {"conjunction": "and", "items": [of_batch]}, page, size)
        return found["total"], found["tasks"]

    def batch_tasks(self, project: int, name: str) -> Iterator[Task]:
        """All tasks of a batch, without annotations."""
        page, left = 1, 1
        while left > 0:
            total, tasks = self.batch(project, name, page)
            yield from tasks
            left, page = total - page * PAGE, page + 1

    def answered(self, project: int, page: int = 1, size: int = FULL_PAGE) -> tuple[int, list[Task]]:
        """The number of tasks with submitted or skipped annotations, and a page of them, the last changed first.

        With annotations, also if that does not hold for a page of one task.
        """
        found = self._tasks(project, {"conjunction": "or", "items": ANSWERED}, page, size, full=True)
        return found["total"], found["tasks"]

    def _tasks(
        self, project: int, filters: Mapping[str, Any], page: int, size: int, full: bool = False
    ) -> dict[str, Any]:
        order = ["-tasks:updated_at"] if full else ["tasks:id"]
        asked = {
            "project": project,
            "query": json.dumps({"filters": filters, "ordering": order}),
            "page": page,
            "page_size": size,
            "resolve_uri": "false",
            **({"fields": "all"} if full else {}),
        }
        return self._ask("GET", "/api/tasks", params=asked)  # type: ignore[no-any-return]

    def task(self, task: int) -> Task:
        """A task with its annotations and drafts."""
        return self._ask("GET", f"/api/tasks/{task}/")  # type: ignore[no-any-return]

    def add(self, project: int, tasks: Sequence[Task]) -> None:
        """Import tasks, all or none."""
        path = f"/api/projects/{project}/import"
        made = self._ask("POST", path, params={"return_task_ids": "true"}, json=tasks)
        if len(made["task_ids"]) != len(tasks):
            raise AnnotatorError(f"Label Studio stored {len(made['task_ids'])} of {len(tasks)} tasks")

    def change(self, task: int, data: Mapping[str, Any]) -> None:
        """Replace the data of a task."""
        self._ask("PATCH", f"/api/tasks/{task}/", json={"data": dict(data)})

    def remove(self, task: int) -> None:
        self._ask("DELETE", f"/api/tasks/{task}/")

    # --- files

    def uploads(self, project: int) -> list[str]:
        """Paths of the uploaded files: `upload/<project>/<8 digits>-<name>`."""
        found = self._ask("GET", f"/api/projects/{project}/file-uploads", params={"all": "true"})
        return [file["file"] for file in found]

    def upload(self, project: int, files: Sequence[File]) -> None:
        """Upload files, at most 100 at a time, without tasks for them."""
        path, parts = f"/api/projects/{project}/import", [(file[0], file) for file in files]
        self._ask("POST", path, params={"commit_to_project": "false"}, files=parts)


def _detail(response: httpx.Response) -> str:
    """The reason in the body of an error, at most 300 characters."""
    try:
        said = response.json()
        reason = said.get("validation_errors") or said.get("detail") or said
    except (ValueError, AttributeError):
        reason = response.text
    return (str(reason) or response.reason_phrase)[:300]
