-- One row per course of the program and role that a run of it has now.
{{ config(alias='course_runs') }}

with

course_runs as (
    select * from {{ ref('course_runs') }}
),

this_program_courses as (
    select * from {{ ref('this_program_courses') }}
),

final as (
    select course_runs.*
    from course_runs
    inner join this_program_courses on course_runs.course = this_program_courses.course
)

select * from final
