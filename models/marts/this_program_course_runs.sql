-- One row per course of the program and role that a run of it has now.
{{ config(alias='course_runs') }}

with

course_runs as (
    select * from {{ ref('stg_seeds__course_runs') }}
),

this_program_courses as (
    select * from {{ ref('this_program_courses') }}
),

final as (
    select
        course_runs.course,
        course_runs.run_role,
        course_runs.course_instance,
        course_runs.title,
        course_runs.link
    from course_runs
    inner join this_program_courses on course_runs.course = this_program_courses.course
    where course_runs.run_role in ('current', 'coming')
)

select * from final
