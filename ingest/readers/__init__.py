"""One module for each family of formats: bytes in, `Reading`s out."""
