-- One row per course, and one for the whole table, that the wide table and learner_courses count differently.
{{ config(tags=['proof']) }}
{%- set courses = column_values(ref('this_program_courses'), 'course', order_by='position') %}

with

wide as (
    select * from {{ ref('coursecompletion') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

of_wide as (
    {%- for course in courses %}
    select
        '{{ course }}' as course,
        count(*) filter (where {{ course }}_passed != '-') as enrolled,
        count(*) filter (where {{ course }}_enrollment_track != '-') as on_a_track,
        count(*) filter (where {{ course }}_passed = 'Y') as passed
    from wide
    union all
    {%- endfor %}
    select
        'certificates and audit passes' as course,
        sum(no_certificate_eligible) as enrolled,
        sum(no_audited_passed) as on_a_track,
        0 as passed
    from wide
),

of_learner_courses as (
    select
        course,
        count(*) as enrolled,
        count(enrollment_track) as on_a_track,
        count(*) filter (where passed = 'Y') as passed
    from learner_courses
    group by course
    union all
    select
        'certificates and audit passes' as course,
        count(*) filter (where is_certificate_eligible) as enrolled,
        count(*) filter (where enrollment_track = 'audit' and passed = 'Y' and not is_capstone) as on_a_track,
        0 as passed
    from learner_courses
)

select
    coalesce(of_wide.course, of_learner_courses.course) as course,
    of_wide.enrolled as enrolled_in_wide,
    of_wide.on_a_track as on_a_track_in_wide,
    of_wide.passed as passed_in_wide,
    of_learner_courses.enrolled,
    of_learner_courses.on_a_track,
    of_learner_courses.passed
from of_wide
full outer join of_learner_courses on of_wide.course = of_learner_courses.course
where
    coalesce(of_wide.enrolled, 0) != coalesce(of_learner_courses.enrolled, 0)
    or coalesce(of_wide.on_a_track, 0) != coalesce(of_learner_courses.on_a_track, 0)
    or coalesce(of_wide.passed, 0) != coalesce(of_learner_courses.passed, 0)
