"""The admin API (MCPx 11.3): promotions, revocations, and what an operator wants to see."""

from gateway.http.admin.routes import ADMIN_OPERATIONS, admin_routes

__all__ = ["ADMIN_OPERATIONS", "admin_routes"]
