"""What pages share: the only place besides ``app.py`` and the pages that imports streamlit."""
