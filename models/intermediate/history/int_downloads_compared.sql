-- One row per run's newest download that has an earlier one: whom and which certificates it lacks of it.
with

downloads as (
    select * from {{ ref('int_downloads') }}
),

downloaded_rows as (
    select * from {{ ref('int_downloaded_rows') }}
),

carried_over_rows as (
    select * from {{ ref('int_carried_over_rows') }}
),

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

grade_report_err_rows as (
    select * from {{ ref('stg_edx__grade_report_err_rows') }}
),

newest_downloads as (
    select
        newest.file_id,
        newest.course_instance,
        newest.download_number,
        newest.reported_at,
        earlier.file_id as earlier_file_id,
    from downloads as newest
    inner join downloads as earlier
        on
            newest.course_instance = earlier.course_instance
            and newest.download_number = earlier.download_number + 1
    where newest.download_number = newest.download_count
),

companion_rows as (
    select distinct
        newest.file_id,
        report_files.file_name,
        grade_report_err_rows.student_id,
    from newest_downloads as newest
    inner join report_files
        on
            lower(newest.course_instance) = report_files.run_key
            and newest.reported_at = report_files.reported_at
            and report_files.report_kind = 'grade_report_err'
    inner join grade_report_err_rows on report_files.file_id = grade_report_err_rows.file_id
),

compared as (
    select
        newest.file_id,
        newest.earlier_file_id,
        earlier_rows.certificate_eligible = 'Y'
        and coalesce(newest_rows.certificate_eligible, 'N') != 'Y' as has_lost_certificate,
        newest_rows.learner_id is null as is_gone,
        carried_over_rows.learner_id is not null as is_carried_over,
        companion_rows.student_id is not null as is_in_companion,
        companion_rows.file_name as companion_file_name,
    from newest_downloads as newest
    inner join downloaded_rows as earlier_rows on newest.earlier_file_id = earlier_rows.file_id
    left join downloaded_rows as newest_rows
        on
            newest.file_id = newest_rows.file_id
            and earlier_rows.learner_id = newest_rows.learner_id
    left join carried_over_rows
        on
            newest.file_id = carried_over_rows.used_file_id
            and earlier_rows.learner_id = carried_over_rows.learner_id
    left join companion_rows
        on
            newest.file_id = companion_rows.file_id
            and earlier_rows.learner_id = companion_rows.student_id
),

counted as (
    select
        newest.file_id,
        newest.earlier_file_id,
        count(*) filter (where compared.is_gone) as learners_gone,
        count(*) filter (where compared.has_lost_certificate) as certificates_gone,
        count(*) filter (where compared.is_gone and compared.is_carried_over) as learners_carried_over,
        count(*) filter (where compared.is_gone and compared.is_in_companion) as learners_in_companion,
        max(compared.companion_file_name) as companion_file_name,
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
    from counted
    inner join report_files as newest_files on counted.file_id = newest_files.file_id
    inner join report_files as earlier_files on counted.earlier_file_id = earlier_files.file_id
)

select * from final
