"""What comes to a browser over its line, in bytes and addresses."""


class Line:
    """What comes over a page's line."""

    def __init__(self, page):
        self.urls, self.encodings, self.kept, self.bytes = {}, {}, set(), 0
        session = page.context.new_cdp_session(page)
        self._in_memory = set()
        session.on("Network.requestServedFromCache", lambda event: self._in_memory.add(event["requestId"]))
        session.on("Network.responseReceived", self._see)
        session.on("Network.loadingFinished", self._count)
        session.on("Network.webSocketFrameReceived", self._count_message)
        session.send("Network.enable")

    def _see(self, event):
        answer = event["response"]
        self.urls[event["requestId"]] = answer["url"]
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        self.encodings[answer["url"]] = headers.get("content-encoding", "")
        if answer.get("fromDiskCache") or event["requestId"] in self._in_memory:
            self.kept.add(answer["url"])

    def _count(self, event):
        self.bytes += event["encodedDataLength"]

    def _count_message(self, event):
        self.bytes += len(event["response"]["payloadData"]) * 3 // 4  # base64

    def fetched(self, part):
        """The addresses with this part that did not come out of the browser's own store."""
        return sorted({url for url in self.urls.values() if part in url} - self.kept)
