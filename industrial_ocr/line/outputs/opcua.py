"""An OPC UA server with the names and states of OPC 40100-1 (Machine Vision).

The types of OPC 40100-1 are not used: all nodes are plain objects, variables and methods in our own
namespace. docs/guides/plc.md lists them.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlparse

from asyncua import Node, Server, ua, uamethod
from asyncua.server.event_generator import EventGenerator

from industrial_ocr.line.job_outputs import OpcuaOutput
from industrial_ocr.line.outputs.plant_server import PlantServer
from industrial_ocr.line.reading import LineState, Reading, TriggerEvent

NAMESPACE = "urn:industrial-ocr:machine-vision"

SYSTEM = "VisionSystem"
STATE = "VisionStateMachine"
AUTOMATIC = "VisionStateMachine.AutomaticModeStateMachine"
RECIPE = "RecipeManagement.ActiveRecipe"
RESULTS = "ResultManagement"
RESULT = "ResultManagement.LastResult"

STATE_NAMES = {
    LineState.STOPPED: ("Halted", "Initialized"),
    LineState.READY: ("Operational", "Ready"),
    LineState.BUSY: ("Operational", "SingleExecution"),
    LineState.DONE: ("Operational", "Ready"),
    LineState.ERROR: ("Error", "Initialized"),
}
"""The states of the vision system and of its automatic mode, by their names in OPC 40100-1."""

RESULT_STATES = {"timeout": 3, "error": 4}
"""Codes of ResultState: 3 is aborted, 4 is failed; all other readings have 1, completed."""

_TEXT, _NUMBER, _DATE = ua.VariantType.String, ua.VariantType.Double, ua.VariantType.DateTime
_LOCALIZED, _BOOLEAN = ua.VariantType.LocalizedText, ua.VariantType.Boolean
_INT32, _INT64 = ua.VariantType.Int32, ua.VariantType.Int64

_RESULT: dict[str, tuple[ua.VariantType, Callable[[Reading], Any]]] = {
    "ResultId": (_TEXT, lambda r: r.id),
    "ResultState": (_INT32, lambda r: RESULT_STATES.get(r.status, 1)),
    "PartId": (_TEXT, lambda r: r.part),
    "ExternalRecipeId": (_TEXT, lambda r: r.job),
    "InternalRecipeId": (_TEXT, lambda r: r.job_hash),
    "CreationTime": (_DATE, lambda r: r.time.astimezone(timezone.utc)),
    "ProcessingTime": (_NUMBER, lambda r: 1000 * r.latency),
    "ResultContent": (_TEXT, lambda r: r.to_json()),
    "Text": (_TEXT, lambda r: r.text),
    "Passed": (_BOOLEAN, lambda r: r.passed),
    "Status": (_TEXT, lambda r: r.status),
    "Reasons": (_TEXT, lambda r: "; ".join(r.reasons)),
    "Confidence": (_NUMBER, lambda r: r.confidence),
    "Expected": (_TEXT, lambda r: r.expected or ""),
    # Written last: when a subscriber is notified of it, the others are complete.
    "Sequence": (_INT64, lambda r: r.sequence),
}
_VARIABLES = {
    "Alarm": _TEXT,
    f"{STATE}.CurrentState": _LOCALIZED,
    f"{AUTOMATIC}.CurrentState": _LOCALIZED,
    f"{RECIPE}.ExternalId": _TEXT,
    f"{RECIPE}.InternalId": _TEXT,
} | {f"{RESULT}.{name}": kind for name, (kind, _) in _RESULT.items()}


class OpcuaServer(PlantServer[OpcuaOutput]):
    """Shows the state of the line, the job as its recipe, and the last reading as its result."""

    errors = (OSError, ua.UaError)
    start_s = 120.0  # a slow PC needs many seconds to build the address space

    def __init__(self, config: OpcuaOutput) -> None:
        super().__init__(config)
        self.where = f"OPC UA at {config.endpoint}"
        self._state = LineState.STOPPED
        self._alarms: dict[str, str] = {}
        self._put: Callable[[TriggerEvent], None] | None = None
        self._nodes: dict[str, Node] = {}
        self._result_ready: EventGenerator | None = None

    def watch(self, put: Callable[[TriggerEvent], None]) -> None:
        """Has ``put`` called, in the server's thread, for each ``StartSingleJob``.

        ``put`` must not block. If it raises ``queue.Full``, the client gets an error.
        """
        self._put = put

    def state(self, state: LineState) -> None:
        self._state = state
        self._refresh()

    def alarm(self, name: str, message: str | None) -> None:
        if message is None:
            self._alarms.pop(name, None)
        else:
            self._alarms[name] = message
        self._refresh()

    @property
    def _address(self) -> tuple[str, int]:
        address = urlparse(self.config.endpoint)
        return address.hostname or "", address.port or 4840

    async def _stop(self) -> None:
        await self._server.stop()

    async def _serve(self) -> Server:
        server = Server()
        await server.init()
        server.set_endpoint(self.config.endpoint)
        server.set_server_name("industrial-ocr")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        await self._build(server)
        await self._write_state()
        await server.start()
        return server

    async def _build(self, server: Server) -> None:
        """Makes all nodes; the string id of a node is its path, such as ``VisionSystem.Alarm``."""
        index = await server.register_namespace(NAMESPACE)

        def name(path: str) -> tuple[ua.NodeId, ua.QualifiedName]:
            node_id = ua.NodeId(ua.String(path), ua.Int16(index))
            return node_id, ua.QualifiedName(path.rpartition(".")[2], index)

        objects = {"": await server.nodes.objects.add_object(*name(SYSTEM))}
        for path in (STATE, AUTOMATIC, RECIPE.partition(".")[0], RECIPE, RESULTS, RESULT):
            parent = objects[path.rpartition(".")[0]]
            objects[path] = await parent.add_object(*name(f"{SYSTEM}.{path}"))
        for path, kind in _VARIABLES.items():
            parent = objects[path.rpartition(".")[0]]
            empty = datetime(1601, 1, 1) if kind is _DATE else ua.get_default_value(kind)
            node = await parent.add_variable(*name(f"{SYSTEM}.{path}"), empty, kind)
            self._nodes[path] = node
        await objects[AUTOMATIC].add_method(
            *name(f"{SYSTEM}.{AUTOMATIC}.StartSingleJob"),
            uamethod(self._start_single_job),
            [_argument("PartId", _TEXT), _argument("Expected", _TEXT)],
            [_argument("Error", _INT32)],
        )
        await objects[RESULTS].add_method(
            *name(f"{SYSTEM}.{RESULTS}.AcknowledgeResult"),
            uamethod(lambda parent, sequence: self._acknowledge(sequence)),
            [_argument("Sequence", _INT64)],
            [],
        )
        event = await server.create_custom_event_type(
            index,
            "ResultReadyEventType",
            ua.ObjectIds.BaseEventType,
            [(name, kind) for name, (kind, _) in _RESULT.items()],
        )
        self._result_ready = await server.get_event_generator(event, objects[""].nodeid)

    def _start_single_job(self, parent: ua.NodeId, part: str, expected: str) -> Any:
        """Puts a trigger event; the output ``Error`` is 0, or 1 if it was refused."""
        refused = self._put is None
        try:
            if self._put is not None:
                self._put(TriggerEvent(part or "", expected or None))
        except queue.Full:
            refused = True
        return ua.Variant(int(refused), _INT32)

    async def _deliver(self, reading: Reading) -> None:
        assert self._result_ready is not None
        await self._write(f"{RECIPE}.ExternalId", reading.job)
        await self._write(f"{RECIPE}.InternalId", reading.job_hash)
        for name, (_, value) in _RESULT.items():
            await self._write(f"{RESULT}.{name}", value(reading))
            setattr(self._result_ready.event, name, value(reading))
        await self._result_ready.trigger(message=f"Result {reading.sequence}")
        if self.config.handshake:
            await self._until_acknowledged(reading.sequence)

    async def _write(self, path: str, value: object) -> None:
        await self._nodes[path].write_value(value, _VARIABLES[path])

    async def _write_state(self) -> None:
        system, automatic = STATE_NAMES[self._state]
        await self._write(f"{STATE}.CurrentState", ua.LocalizedText(system))
        await self._write(f"{AUTOMATIC}.CurrentState", ua.LocalizedText(automatic))
        await self._write("Alarm", "\n".join(self._alarms.values()))

    def _refresh(self) -> None:
        loop = self._loop
        if loop is not None and self._server is not None:
            loop.start(self._write_state())


def _argument(name: str, kind: ua.VariantType) -> ua.Argument:
    return ua.Argument(Name=name, DataType=ua.NodeId(ua.Int32(kind.value)), ValueRank=-1)
