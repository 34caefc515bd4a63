"""What the server loads: `uvicorn app.main:app`."""

from app import application, settings, tracing

SETTINGS = settings.from_environment()
app = application.create(SETTINGS)
tracing.install(app, SETTINGS)
