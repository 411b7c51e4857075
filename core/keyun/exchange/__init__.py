"""Import of CSV, XLSX and JSONL with an error row for every bad row."""
