"""A small W&B server on loopback that keeps the rows of runs and fails when it is told to."""

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class ServedRun:
    """What the server has of a run."""

    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    """Arguments of `upsertBucket`."""
    lines: list[str] = field(default_factory=list)
    """Rows of the history, by their offset."""
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    state: str = "running"

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class RefusedError(Exception):
    """An error that GraphQL answers with."""


class Server(ThreadingHTTPServer):
    """Serve on a free port until the end of a `with` block."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs: dict[str, ServedRun] = {}
        self.flags: dict[str, Any] = {}
        """Settings of the account, such as `code_saving_enabled`."""
        self.artifacts: list[str] = []
        """Names of models that clients have sent."""
        self.sweeps: dict[str, str] = {}
        """YAML of each sweep."""
        self.charts: dict[str, dict[str, Any]] = {}
        """Presets of custom charts, by entity and name."""
        self.views: list[dict[str, Any]] = []
        """Arguments of `upsertView`, with the content of its `spec`."""
        self.requests: list[tuple[float, str]] = []
        self.status = 200
        """Of every answer; other than 200: nothing is kept; 0: there is no answer, as the server is killed."""
        self.seconds = 0.0
        """How long every answer takes."""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def _serve(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def fail(self, status: int, seconds: float) -> None:
        """Answer with a status after a time; with status 0, end as a killed process does."""
        self.status, self.seconds = status, seconds
        if not status:
            self.shutdown()
            self.server_close()

    def recover(self) -> None:
        """Answer again, on the same port."""
        if not self.status:
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
            self.server_activate()
            self._serve()
        self.status, self.seconds = 200, 0.0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone."""

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Answer a query of W&B's client."""
        name = variables.get("name") or variables.get("run") or variables.get("runId") or ""
        project = {
            "id": "p",
            "name": variables.get("project") or "uncategorized",
            "entity": {"id": "e", "name": "team"},
        }
        if "upsertBucket" in query:
            run = self.runs.setdefault(name, ServedRun(name))
            run.state = "running" if variables.get("project") else run.state  # later calls update the config
            run.attributes |= {key: value for key, value in variables.items() if value is not None}
            run.config |= json.loads(variables.get("config") or "{}")
            run.summary |= json.loads(variables.get("summaryMetrics") or "{}")
            bucket = {"id": name, "name": name, "displayName": variables.get("displayName"), "project": project}
            bucket |= {"config": json.dumps(run.config), "historyLineCount": len(run.lines)}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in query:
            run = self.runs[name]
            run.files += variables["files"]
            files = [{"name": file, "uploadUrl": f"{self.url}/put/{file}"} for file in variables["files"]]
            return {"createRunFiles": {"runID": name, "uploadHeaders": [], "files": files}}
        if "RunResumeStatus" in query:
            run = self.runs.get(name)
            return {"model": {"id": "m", **project, "bucket": self.bucket(run) if run else None}}
        if "viewer" in query:
            account = {"id": "v", "entity": "team", "username": "me", "teams": {"edges": []}}
            return {"viewer": {**account, "flags": json.dumps(self.flags)}}
        if "createArtifact(" in query:
            created = variables["input"]
            self.artifacts += [created["artifactCollectionName"]] if created["artifactTypeName"] == "model" else []
            sequence = {"latestArtifact": None}
            return {"createArtifact": {"artifact": {"id": "a", "state": "COMMITTED", "artifactSequence": sequence}}}
        if "createCustomChart" in query:
            key = f"{variables['entity']}/{variables['chartName']}"
            if key in self.charts:
                raise RefusedError("a chart of this name already exists")
            self.charts[key] = variables
            return {"createCustomChart": {"chart": {"id": key}}}
        if "upsertView" in query:
            self.views.append({**variables, "spec": json.loads(variables["spec"])})
            return {"upsertView": {"view": {"id": "w", "name": variables["name"]}, "inserted": True}}
        if "serverInfo" in query:
            return {"serverInfo": {"cliVersionInfo": {}, "latestLocalVersionInfo": None, "features": []}}
        if "sweep(" in query:
            sweep = {"id": "s", "name": name, "state": "RUNNING", "config": self.sweeps[name], "runs": {"edges": []}}
            return {"project": {"sweep": sweep}}
        if "project(" in query:
            run = self.runs.get(name)
            return {"project": {"internalId": "cDpwOjE=", "artifact": None, "run": self.bucket(run) if run else None}}
        return {}

    def bucket(self, run: ServedRun) -> dict[str, Any]:
        last = run.rows[-1]["_step"] if run.lines else -1
        tail = json.dumps(run.lines[-1:])
        return {
            "id": run.name, "name": run.name, "displayName": run.name, "state": run.state, "stopped": False,
            "summaryMetrics": json.dumps(run.summary), "config": json.dumps(run.config), "tags": [], "notes": None,
            "historyLineCount": len(run.lines), "eventsLineCount": 0, "logLineCount": 0, "historyTail": tail,
            "eventsTail": "[]", "wandbConfig": json.dumps({"t": 1}),
            "historyKeys": {"lastStep": last, "sets": [], "keys": {}},
        }  # fmt: skip

    def stream(self, name: str, body: dict[str, Any]) -> None:
        """Keep what a client streams."""
        run = self.runs.setdefault(name, ServedRun(name))
        for file, chunk in (body.get("files") or {}).items():
            if file == "wandb-history.jsonl":
                run.lines[chunk["offset"] :] = chunk["content"]
            elif file == "wandb-summary.json":
                run.summary = json.loads(chunk["content"][-1])
        if body.get("complete"):
            run.state = "finished" if body.get("exitcode") == 0 else "failed"


class Handler(BaseHTTPRequestHandler):
    """Answer one connection."""

    protocol_version = "HTTP/1.1"
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, answer = self.server.status, {}
        if not status:  # of a connection from before
            self.close_connection = True
            return
        time.sleep(self.server.seconds)
        body = json.loads(content) if self.path.endswith(("graphql", "file_stream")) else {}
        query = body.get("query", "")
        self.server.requests.append((time.monotonic(), f"{self.path} {query.split('(')[0].split('{')[0].strip()}"))
        if status == 200:
            with self.server.lock:
                if query:
                    try:
                        answer = {"data": self.server.graphql(query, body.get("variables") or {})}
                    except RefusedError as error:
                        answer = {"data": None, "errors": [{"message": str(error)}]}
                elif self.path.endswith("/file_stream"):
                    self.server.stream(self.path.split("/")[-2], body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: object) -> None: ...
