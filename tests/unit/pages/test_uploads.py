"""What says why uploads are refused: that it is beside every uploader."""

from pages.components.mounting import WEB


def test_every_uploader_has_the_reason_beside_it():
    for file in WEB.parents[1].rglob("*.py"):
        text = file.read_text("utf-8")
        if "file_uploader(" in text:
            assert "say_why_uploads_fail(" in text, file
