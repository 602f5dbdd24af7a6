"""The YAML edge: files in, frozen objects and located problems out."""
