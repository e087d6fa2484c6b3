"""Prometheus metrics: `snapshot` what is known, `reading` from the database, `families_*` as Prometheus has it,
`exposition` the text that is scraped."""
