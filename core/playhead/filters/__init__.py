"""The filter language over invocations, and its SQL for the server and for the store."""
