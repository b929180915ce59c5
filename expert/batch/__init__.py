"""Many complaints: tables in, tables out, in the order of the input; a row that fails stays in the output with its error.

kernel     Arrow batch -> Arrow batch: the one way to answer many, also in Spark
sources    files, folders, standard input -> records (encodings, columns: what is guessed, and said)
writers    batches -> JSONL, CSV, TSV, XLSX, Parquet
journal    finished chunks on the disk, so that a killed run goes on
runner     all of it, in one or several processes
tally, report, masking: counts, the page of charts, personal data out of what is written
"""
