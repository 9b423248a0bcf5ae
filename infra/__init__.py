"""The services around the pipeline: started locally, declared for Docker, watched by Prometheus."""
