-- One row per learner: how many courses, and which, as sums of their flags.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('student_id')) }}") }}

with

learners as (
    select * from {{ ref('learners') }}
    where {{ is_touched('student_id') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
    where {{ is_touched('student_id') }}
),

courses as (
    select * from {{ ref('int_course_flags') }}
),

counted as (
    select
        learner_courses.student_id,
        count(*) filter (where learner_courses.is_certificate_eligible) as no_certificate_eligible,
        count(*) filter (where learner_courses.ever_passed) as courses_passed,
        bool_or(learner_courses.best_grade > 0) as has_attempted,
        sum(courses.flag) filter (where learner_courses.is_certificate_eligible) as certified_flags,
        sum(courses.flag) filter (where learner_courses.is_settled) as settled_flags
    from learner_courses
    inner join courses on learner_courses.course = courses.course
    group by learner_courses.student_id
),

final as (
    select
        learners.student_id,
        coalesce(counted.no_certificate_eligible, 0)::integer as no_certificate_eligible,
        coalesce(counted.courses_passed, 0)::integer as courses_passed,
        coalesce(counted.has_attempted, false) as has_attempted,
        coalesce(counted.certified_flags, 0)::bigint as certified_flags,
        coalesce(counted.settled_flags, 0)::bigint as settled_flags
    from learners
    left join counted on learners.student_id = counted.student_id
)

select * from final
