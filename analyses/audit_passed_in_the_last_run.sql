-- Question: who passed as an auditor in the newest run of a course that anybody has a grade in?
-- Answer: one row per learner and course, by course and grade.
with

course_run_summary as (
    select * from {{ ref('course_run_summary') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

last_runs as (
    select
        course,
        max_by(course_instance, run_order) as course_instance
    from course_run_summary
    where attempted > 0
    group by course
)

select
    details.course,
    details.course_instance,
    details.learner_id,
    details.grade
from course_instancedetails as details
inner join last_runs on details.course_instance = last_runs.course_instance
where details.audit_passed = 'Y'
order by details.course asc, details.grade desc, details.learner_id asc
