-- One row per course run, with its course's name.
select
    runs.course,
    coalesce(courses.title, courses.course) as name,
    runs.position,
    runs.course_instance,
    runs.run_code,
    runs.run_order,
    runs.reported_at,
    runs.learners,
    runs.attempted,
    runs.passed,
    runs.certificate_eligible
from course_run_summary as runs
inner join courses on runs.course = courses.course
order by runs.position, runs.run_order
