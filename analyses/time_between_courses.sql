-- Question: how long do learners take from one course that they passed to the next one?
-- Answer: one row per pair of courses in the order taken, with learners and the median months between the
-- reports of the runs in which they passed; 0 where both were passed at the same time.
with

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

course_run_summary as (
    select * from {{ ref('course_run_summary') }}
),

passed as (
    select
        learner_courses.student_id,
        learner_courses.course,
        learner_courses.position,
        runs.reported_at
    from learner_courses
    inner join course_run_summary as runs on learner_courses.best_course_instance = runs.course_instance
    where learner_courses.ever_passed
),

steps as (
    select
        student_id,
        course as next_course,
        reported_at,
        lag(course) over (partition by student_id order by reported_at asc, position asc) as course,
        lag(reported_at) over (partition by student_id order by reported_at asc, position asc) as passed_at
    from passed
)

select
    course,
    next_course,
    count(*) as learners,
    median(date_diff('month', passed_at, reported_at)) as median_months
from steps
where course is not null
group by course, next_course
order by learners desc, course asc, next_course asc
