"""How a service gets its panel: who its operators are, and the log of what they do."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from sqlalchemy import Engine

from common.panel.access import Access
from common.panel.audit import AuditLog
from common.panel.operators import OperatorStore
from common.panel.roles import Actor
from common.panel.routes import AdminRoute, Identify, guarded
from common.service.app import Part, Service
from common.state.writes import Writes

WAITING = 16  # operators at a time


@dataclass(frozen=True, slots=True)
class Panel:
    """The parts; the application refreshes and closes them."""

    access: Access
    operators: OperatorStore
    audit: AuditLog
    writes: Writes  # of the log alone: what operators do waits for nobody's sales

    def route_class(self, identify: Identify) -> type[AdminRoute]:
        """For a router whose every route asks who comes, and notes what they change."""
        return guarded(identify, self.audit, self.writes)

    def of_header(self, request: Request) -> Actor:
        """Whoever comes with a token; raises `Problem`."""
        address = request.client.host if request.client else ""
        return self.access.of_header(request.headers.get("authorization"), address=address)

    def refresh(self) -> None:
        self.access.refresh()

    def close(self) -> None:
        self.writes.close()


def panel_of(service: Service, state: Engine, name: str) -> Panel:
    """For the service that the state database knows under `name`; call it before `service.app`."""
    operators = OperatorStore(state)
    access = Access(service.settings, operators)
    service.parts.append(Part("operators", lambda: access.trouble))
    audit = AuditLog(state, name, most_entries=service.settings.audit_log_entries)
    return Panel(access, operators, audit, Writes(queue=WAITING))


def admin_router(panel: Panel) -> APIRouter:
    """Where a service hangs its routes for operators' programs, under `/v1/admin`."""
    return APIRouter(prefix="/v1/admin", tags=["admin"], route_class=panel.route_class(panel.of_header))
