-- One row per reason why rows are rejected. A row that is repeated names its own line: they are one reason.
select
    regexp_replace(reason, '^line \d+ has', 'a later line has') as shared_reason,
    count(*) as row_count,
    count(distinct file_name) as files
from rejected_rows
group by shared_reason
order by row_count desc, shared_reason asc
