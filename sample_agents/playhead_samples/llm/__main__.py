"""`python -m playhead_samples.llm --port N`: the local LLM server, on 127.0.0.1 only."""

from __future__ import annotations

import click
import uvicorn

from playhead_samples.llm.server import create_app


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="TCP port.")
def main(port: int) -> None:
    """Serve OpenAI's API with scripted answers and failures on demand."""
    uvicorn.run(
        create_app(),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
