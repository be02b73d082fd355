"""dockagent: the agent on a body-worn camera dock. Read ``README.md`` beside this file first."""

__version__ = "0.1.0"
