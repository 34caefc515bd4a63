"""The API's contract: its OpenAPI document, and what of it may not change. README.md says how."""
