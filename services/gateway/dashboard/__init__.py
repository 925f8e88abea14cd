"""The operators' page: static files without a build step, and what answers with them.

files       every file, read once: its bytes, compressed and not, its type and its hash
policy      what a page of ours may load and run
index.html  the one page; app.js begins there
base/       what every page stands on: the API, routes, words, formats, keys, streams
parts/      components, named like the glossary
pages/      one module a page (and a folder's worth where a page has several views)
words/      every text, in English and Chinese
styles/     colours of both themes, and what things look like
vendor/     what others wrote, with licences and hashes (`make vendor`)
"""

from services.gateway.dashboard.files import PageFile, PageFiles

__all__ = ["PageFile", "PageFiles"]
