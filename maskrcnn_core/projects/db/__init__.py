"""Where a project's rows and files lie: tables, migrations, seals, blobs."""
