"""What people read of a published file: reports, exports; and what to download for the next one."""
