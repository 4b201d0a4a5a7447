-- One row: all programs together, in which a learner, a course and a run of several programs count once.
with

learners as (
    select
        student_id,
        count(*) as programs,
        max(no_certificate_eligible) as certificates,
        bool_or(is_complete) as is_complete
    from learner_programs
    group by student_id
)

select
    count(*) as learners,
    count(*) filter (where certificates > 0) as with_a_certificate,
    count(*) filter (where is_complete) as complete,
    count(*) filter (where programs > 1) as in_several,
    -- Programs may call one course by several codes, but its files by one prefix; the case of letters varies.
    (select count(distinct lower(courses.file_prefix)) from courses) as courses,
    (select count(distinct lower(runs.course_instance)) from course_run_summary as runs) as runs
from learners
