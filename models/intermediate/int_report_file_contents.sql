-- One row per file with rows: what they amount to, whatever else lies in the folder.
{{ config(
    materialized='incremental',
    pre_hook="{{ forget(is_new_file('file_id')) }}",
    on_schema_change='sync_all_columns',
) }}

with

grade_report_rows as (
    select * from {{ ref('int_grade_report_rows') }}
    where {{ is_new_file('file_id') }}
),

profile_report_rows as (
    select * from {{ ref('int_profile_report_rows') }}
    where {{ is_new_file('file_id') }}
),

grade_report_err_rows as (
    select * from {{ ref('stg_edx__grade_report_err_rows') }}
    where {{ is_new_file('file_id') }}
),

damaged_rows as (
    select * from {{ source('edx', 'damaged_rows') }}
    where {{ is_new_file('file_id') }}
),

repeated_rows as (
    select * from {{ ref('int_report_rows_repeated') }}
    where {{ is_new_file('file_id') }}
),

listed as (
    select
        file_id,
        count(*) filter (where rejected_reason is null) as readable_row_count,
        bool_or(rejected_reason is null and enrollment_track in ('audit', 'honor')) as lists_auditors,
    from grade_report_rows
    group by file_id
    union all
    select
        file_id,
        count(*) filter (where rejected_reason is null) as readable_row_count,
        null as lists_auditors,
    from profile_report_rows
    group by file_id
    union all
    select
        file_id,
        count(distinct student_id) as readable_row_count,
        null as lists_auditors,
    from grade_report_err_rows
    group by file_id
),

repeats as (
    select
        file_id,
        sum(row_count - 1) as repeat_count,
    from repeated_rows
    group by file_id
),

unusable_rows as (
    select
        file_id,
        line,
        reason,
    from damaged_rows
    union all
    select
        file_id,
        line,
        rejected_reason as reason,
    from grade_report_rows
    where rejected_reason is not null and is_of_learner
    union all
    select
        file_id,
        line,
        rejected_reason as reason,
    from profile_report_rows
    where rejected_reason is not null and is_of_learner
),

reasons as (
    select
        file_id,
        reason,
        count(*) as row_count,
        min(line) as first_line,
    from unusable_rows
    group by file_id, reason
),

unusable as (
    select
        file_id,
        sum(row_count) over (partition by file_id) as unusable_row_count,
        reason as commonest_reason,
        first_line as commonest_reason_line,
    from reasons
    qualify row_number() over (partition by file_id order by row_count desc, first_line asc) = 1
),

final as (
    select
        coalesce(listed.file_id, unusable.file_id) as file_id,
        coalesce(listed.readable_row_count, 0) - coalesce(repeats.repeat_count, 0) as learner_count,
        coalesce(listed.lists_auditors, false) as lists_auditors,
        coalesce(unusable.unusable_row_count, 0) as unusable_row_count,
        unusable.commonest_reason,
        unusable.commonest_reason_line,
    from listed
    full join unusable on listed.file_id = unusable.file_id
    left join repeats on coalesce(listed.file_id, unusable.file_id) = repeats.file_id
)

select * from final
