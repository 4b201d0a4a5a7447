-- One row per run in seeds/course_runs.csv, with its days; what one of its rows says holds for all of them.
with

course_runs as (
    select * from {{ ref('course_runs') }}
),

final as (
    select
        lower(course_instance) as run_key,
        max({{ iso_date('starts_on') }}) as starts_on,
        max({{ iso_date('ends_on') }}) as ends_on,
        max({{ iso_date('enrollment_ends_on') }}) as enrollment_ends_on,
        max({{ iso_date('upgrade_ends_on') }}) as upgrade_ends_on
    from course_runs
    where course_instance is not null
    group by lower(course_instance)
)

select * from final
