-- One row per file that lacks somebody, or somebody's certificate, of the download before.
select
    course_instance,
    learners_gone,
    certificates_gone
from report_files
where learners_gone > 0 or certificates_gone > 0
order by certificates_gone desc, learners_gone desc, file_name asc
