-- One row per row of seeds/course_runs.csv, as text; a column that the file does not have is NULL.
with

course_runs as (
    select * from {{ ref('course_runs') }}
    union all by name
    -- no row, but the columns that a file may leave out
    select
        null::varchar as year,
        null::varchar as term,
        null::varchar as starts_on,
        null::varchar as ends_on,
        null::varchar as enrollment_ends_on,
        null::varchar as upgrade_ends_on
    where false
),

final as (
    select
        course,
        run_role,
        course_instance,
        title,
        link,
        year,
        term,
        starts_on,
        ends_on,
        enrollment_ends_on,
        upgrade_ends_on
    from course_runs
)

select * from final
