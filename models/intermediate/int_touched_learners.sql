-- One row per learner in a report of a run whose reports are not what they were at the last published build.
{{ config(materialized='table') }}

with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
    where course is not null
),

last_report_files as (
    select * from {{ source('last_build', 'report_files') }}
),

report_rows as (
    select * from {{ ref('int_report_rows') }}
    where is_usable
),

changes as (
    select
        file_id,
        run_key,
        course,
        course_instance,
        status
    from report_files
    except
    select
        file_id,
        run_key,
        course,
        course_instance,
        status
    from last_report_files
),

-- whom an older download names is touched too: a new one may stand between two others
files_of_changed_runs as (
    select report_files.file_id
    from report_files
    semi join changes on report_files.run_key = changes.run_key
    -- with no last build nothing is kept, and nobody asks who is touched
    where exists (select 1 from last_report_files)
),

final as (
    select distinct report_rows.student_id
    from report_rows
    inner join files_of_changed_runs on report_rows.file_id = files_of_changed_runs.file_id
)

select * from final
