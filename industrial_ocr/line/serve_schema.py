"""The OpenAPI description of the requests and answers of ``industrial-ocr serve``."""

from __future__ import annotations

from typing import Any

MAX_PICTURES = 64
"""Largest number of pictures in one request."""
BINARY = {"type": "string", "format": "binary"}
FORM = {
    "type": "object",
    "required": ["images"],
    "properties": {"images": {"type": "array", "items": BINARY, "maxItems": MAX_PICTURES}},
}
BODY = {
    "requestBody": {
        "description": "The bytes of an image file, or a form with several files.",
        "required": True,
        "content": {
            "application/octet-stream": {"schema": BINARY},
            "image/*": {"schema": BINARY},
            "multipart/form-data": {"schema": FORM},
        },
    }
}
DETAIL = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
REFUSAL: dict[str, Any] = {
    "description": "Refused; detail says why.",
    "content": {"application/json": {"schema": DETAIL}},
}
ANSWERS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string"}, "error": {"type": "string"}},
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As read --json and verify --json print it; file is - where it has no name.",
        "content": {"application/json": {"schema": ANSWERS}},
    },
    401: REFUSAL,
    403: REFUSAL,
    413: REFUSAL,
    422: REFUSAL,
    500: REFUSAL,
    503: REFUSAL
    | {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}},
}
