-- One row per learner in any report of a run whose reports are not what they were at the last published build.
{{ config(materialized='table') }}

with

report_files as (
    select * from {{ ref('int_report_files_placed') }}
),

last_report_files as (
    select * from {{ source('last_build', 'report_files') }}
),

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
    where rejected_reason is null
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
    where rejected_reason is null
),

changed_runs as (
    select distinct run_key
    from (
        (select * from report_files except select * from last_report_files)
        union all
        (select * from last_report_files except select * from report_files)
    )
    -- with no last build nothing is kept, and nobody asks who is touched
    where exists (select 1 from last_report_files)
),

-- whom an older download names is touched too: a new one may stand between two others
changed_files as (
    select report_files.file_id
    from report_files
    inner join changed_runs on report_files.run_key = changed_runs.run_key
),

final as (
    select grade_report_rows.student_id
    from grade_report_rows
    inner join changed_files on grade_report_rows.file_id = changed_files.file_id
    union
    select profile_report_rows.student_id
    from profile_report_rows
    inner join changed_files on profile_report_rows.file_id = changed_files.file_id
)

select * from final
