-- One row per learner whom any used report names.
{{ config(materialized='incremental', pre_hook="{{ forget(is_touched('student_id')) }}") }}

with

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
    where {{ is_touched('student_id') }}
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
    where {{ is_touched('student_id') }}
),

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

-- nothing is built on files that cannot be read
report_problems as (
    select * from {{ ref('int_report_problems') }}
),

repeated_rows as (
    select * from {{ ref('int_report_rows_repeated') }}
),

-- what a profile says goes before what a grade report says, then newer before older
ranked_files as (
    select
        file_id,
        row_number() over (
            -- at one stamp the longer name is the later copy
            order by report_kind = 'student_profile_info', reported_at, length(file_name), file_name
        ) as word_rank,
        status = 'used' as is_used,
    from report_files
    where status in ('used', 'superseded') and not exists (select 1 from report_problems)
),

sayings as (
    select
        file_id,
        line,
        student_id,
        username,
        email,
        name,
        country,
        reported_at,
    from profile_report_rows
    where rejected_reason is null
    union all
    select
        file_id,
        line,
        student_id,
        username,
        email,
        null as name,
        null as country,
        reported_at,
    from grade_report_rows
    where rejected_reason is null
),

newest as (
    select
        sayings.student_id,
        {{ newest('sayings.username', 'ranked_files.word_rank') }} as username,
        {{ newest('sayings.email', 'ranked_files.word_rank') }} as email,
        {{ newest('sayings.name', 'ranked_files.word_rank') }} as name,
        {{ newest('sayings.country', 'ranked_files.word_rank') }} as country,
        bool_or(
            coalesce(starts_with(lower(sayings.username), 'retired__'), false)
            or coalesce(ends_with(lower(sayings.email), '.invalid'), false)
        ) as is_retired,
        min(sayings.reported_at) as first_reported_at,
        max(sayings.reported_at) as last_reported_at,
    from sayings
    inner join ranked_files on sayings.file_id = ranked_files.file_id
    left join repeated_rows
        on
            sayings.file_id = repeated_rows.file_id
            and sayings.student_id = repeated_rows.student_id
            and sayings.line < repeated_rows.last_line
    where repeated_rows.file_id is null
    group by sayings.student_id
    -- whom only superseded downloads name is no learner of the program any more
    having bool_or(ranked_files.is_used)
),

final as (
    select
        student_id,
        username,
        email,
        name,
        country,
        is_retired,
        first_reported_at,
        last_reported_at,
    from newest
)

select * from final
