"""The policy online behind other projects' routers."""
