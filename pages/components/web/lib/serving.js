// Where the server's files are: under a path of its own (server.baseUrlPath), or behind a proxy that adds one.
//
// Python names a file from the server's root ("/media/..."). What comes before that only the browser knows: it
// has loaded Streamlit's own script from there.

const SCRIPTS = "/static/js/";

/**
 * The folder of the page's URL that is the server's root, with a slash at its end.
 * @param {string} page the page's own URL
 * @param {string[]} scripts URLs of the scripts that it was loaded with
 */
export function serverRoot(page, scripts) {
  const { origin } = new URL(page);
  for (const script of scripts) {
    const at = script.lastIndexOf(SCRIPTS);
    if (at >= 0 && new URL(script).origin === origin) return script.slice(0, at + 1);
  }
  return new URL(".", page).href; // pages lie side by side at the root
}

/**
 * The URL of a file that Python names from the server's root; any other URL as it is.
 * @param {string} url
 */
export function serverUrl(url) {
  if (!url.startsWith("/") || url.startsWith("//")) return url;
  const scripts = Array.from(
    document.querySelectorAll('script[type="module"][src]'),
    (script) => new URL(script.getAttribute("src") ?? "", document.baseURI).href,
  );
  return serverRoot(window.location.href, scripts) + url.slice(1);
}
