-- One row per reason why files are ignored.
select
    reason,
    count(*) as files
from report_files
where status = 'ignored'
group by reason
order by files desc, reason asc
