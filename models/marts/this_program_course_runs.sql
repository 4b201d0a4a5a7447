-- One row per course of the program, role that a run of it has now, and run.
{{ config(alias='course_runs') }}

with

course_runs as (
    select * from {{ ref('course_runs') }}
),

this_program_courses as (
    select * from {{ ref('this_program_courses') }}
),

run_dates as (
    select * from {{ ref('int_run_dates') }}
),

final as (
    select
        course_runs.course,
        course_runs.run_role,
        course_runs.course_instance,
        course_runs.title,
        course_runs.link,
        run_dates.starts_on,
        run_dates.ends_on,
        run_dates.enrollment_ends_on,
        run_dates.upgrade_ends_on
    from course_runs
    inner join this_program_courses on course_runs.course = this_program_courses.course
    left join run_dates on lower(course_runs.course_instance) = run_dates.run_key
    where course_runs.run_role in ('current', 'coming')
)

select * from final
