"""One tree of processes, web and workers: started, watched, started again and stopped together."""
