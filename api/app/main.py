"""What the server loads: `uvicorn app.main:app`."""

from app import application, settings

app = application.create(settings.from_environment())
