-- One row per run's newest download that has an earlier one: whom and which certificates it lacks of it.
-- The build stops at any that lacks a larger share of the learners than max_learners_gone.
{{ config(materialized='table', post_hook="{{ stop_with_messages(this, 'problem') }}") }}

{%- set allowed_share = "'" ~ var('max_learners_gone', none) | string | replace("'", "''") ~ "'" %}

with

downloads as (
    select * from {{ ref('int_downloads') }}
),

downloaded_rows as (
    select * from {{ ref('int_downloaded_rows') }}
    where download_number >= download_count - 1
),

carried_over_rows as (
    select * from {{ ref('int_carried_over_rows') }}
),

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

grade_report_err as (
    select * from {{ source('edx', 'grade_report_err') }}
),

newest_downloads as (
    select
        newest.file_id,
        newest.course_instance,
        newest.reported_at,
        earlier.file_id as earlier_file_id
    from downloads as newest
    inner join downloads as earlier
        on
            newest.course_instance = earlier.course_instance
            and newest.download_number = earlier.download_number + 1
    where newest.download_number = newest.download_count
),

-- a copy of a companion lists the same learners again
companion_rows as (
    select
        newest.file_id,
        grade_report_err.student_id,
        max(report_files.file_name) as file_name
    from newest_downloads as newest
    inner join report_files
        on
            lower(newest.course_instance) = report_files.run_key
            and newest.reported_at = report_files.reported_at
    inner join grade_report_err on report_files.file_id = grade_report_err.file_id
    group by newest.file_id, grade_report_err.student_id
),

-- of both in one pass, as each may have millions of rows
learners_of_both as (
    select
        newest.file_id,
        rows_of_both.learner_id,
        bool_or(rows_of_both.file_id = newest.file_id) as is_in_newest,
        bool_or(rows_of_both.file_id != newest.file_id) as is_in_earlier,
        bool_or(
            rows_of_both.file_id = newest.file_id and rows_of_both.certificate_eligible = 'Y'
        ) as is_certified_in_newest,
        bool_or(
            rows_of_both.file_id != newest.file_id and rows_of_both.certificate_eligible = 'Y'
        ) as is_certified_in_earlier
    from newest_downloads as newest
    inner join downloaded_rows as rows_of_both on newest.course_instance = rows_of_both.course_instance
    group by newest.file_id, rows_of_both.learner_id
),

compared as (
    select
        learners_of_both.file_id,
        (
            learners_of_both.is_certified_in_earlier and not learners_of_both.is_certified_in_newest
        ) as has_lost_certificate,
        not learners_of_both.is_in_newest as is_gone,
        carried_over_rows.learner_id is not null as is_carried_over,
        companion_rows.student_id is not null as is_in_companion,
        companion_rows.file_name as companion_file_name
    from learners_of_both
    left join carried_over_rows
        on
            learners_of_both.file_id = carried_over_rows.used_file_id
            and learners_of_both.learner_id = carried_over_rows.learner_id
    left join companion_rows
        on
            learners_of_both.file_id = companion_rows.file_id
            and learners_of_both.learner_id = companion_rows.student_id
    where learners_of_both.is_in_earlier
),

counted as (
    select
        newest.file_id,
        newest.earlier_file_id,
        count(*) filter (where compared.is_gone) as learners_gone,
        count(*) filter (where compared.has_lost_certificate) as certificates_gone,
        count(*) filter (where compared.is_gone and compared.is_carried_over) as learners_carried_over,
        count(*) filter (where compared.is_gone and compared.is_in_companion) as learners_in_companion,
        max(compared.companion_file_name) as companion_file_name
    from newest_downloads as newest
    -- an earlier download that lists nobody has nobody to lose
    left join compared on newest.file_id = compared.file_id
    group by newest.file_id, newest.earlier_file_id
),

final as (
    select
        counted.file_id,
        newest_files.file_name,
        earlier_files.file_name as earlier_file_name,
        earlier_files.learner_count as earlier_learner_count,
        counted.learners_gone,
        counted.certificates_gone,
        counted.learners_carried_over,
        counted.learners_in_companion,
        counted.companion_file_name,
        case
            when
                counted.learners_gone - counted.learners_carried_over
                > {{ decimal_number(allowed_share) }} * earlier_files.learner_count
                then
                    newest_files.file_name || ': it lacks '
                    || (counted.learners_gone - counted.learners_carried_over) || ' of the '
                    || earlier_files.learner_count || ' learners in ' || earlier_files.file_name
                    || ', more than max_learners_gone (' || {{ allowed_share }} || ') allows:'
                    || ' download it again, or build without max_learners_gone.'
        end as problem
    from counted
    inner join report_files as newest_files on counted.file_id = newest_files.file_id
    inner join report_files as earlier_files on counted.earlier_file_id = earlier_files.file_id
)

select * from final
